module shop3.example/catalog

go 1.26
