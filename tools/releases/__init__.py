"""Changes the releases of the local mesh: by files that detection watches, and by Triton's model control."""
