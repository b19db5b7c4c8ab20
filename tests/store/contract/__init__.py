"""What every dialect must do, plan by plan. A store that does not pass this does not exist."""
