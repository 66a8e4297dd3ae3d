"""What a transfer optimises: `base` states the contract, `registry` lists the members."""
