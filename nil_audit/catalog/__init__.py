"""Known models without a network: lists, published scores, neighbours."""
