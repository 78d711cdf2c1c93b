"""What the pages share: one look, one set of templates, and a policy that lets nothing else in."""
