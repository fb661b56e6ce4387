"""What scores are computed with: trees, linear models, neighbours, information, interventions."""
