"""Call Capacity Management: limits how many calls some users of a group may have at the same time."""
