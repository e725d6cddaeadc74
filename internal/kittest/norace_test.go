//go:build !race

package kittest_test

const raced = false
