"""How much an interpretable layer costs beside a plain convolution."""
