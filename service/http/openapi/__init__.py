"""What Glimpse's own calls and those of protocols are described with: pieces of schemas, and examples."""
