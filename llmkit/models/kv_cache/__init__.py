"""Keys and values of tokens that were already computed: cache layers that grow, and the prefix cache over them."""
