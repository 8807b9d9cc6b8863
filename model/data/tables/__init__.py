"""Tables: headers, cells and labels as users write them."""
