module github.com/plat-dev/plat/bench

go 1.26.0
