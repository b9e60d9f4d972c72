"""Selection: clients as columns, their scores, the verdict on each, and the plan of a round."""
