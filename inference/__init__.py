"""The models: how they are trained, measured, exported, and served by Triton."""
