"""What the components share: palette, words and numbers, DOM, live feed; and the function that puts a component together."""
