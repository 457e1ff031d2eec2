"""Call Capacity Management: limits on the calls that sets of users of a group may have at the same time."""
