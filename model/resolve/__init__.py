"""Syntax tree to `System`: derived specs are flattened, names resolved, types and the language's rules checked."""
