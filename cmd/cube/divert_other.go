//go:build !linux

package main

// divert has nothing to do where there is no worker.
func divert() {}
