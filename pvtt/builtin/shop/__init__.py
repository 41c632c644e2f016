"""The sample shop: procedural products, their photos and videos, rendered and served."""
