"""The catalog: pure, standard library only. Region listings go in, one immutable snapshot comes out."""
