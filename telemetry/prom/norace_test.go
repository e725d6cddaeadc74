//go:build !race

package prom_test

const raced = false
