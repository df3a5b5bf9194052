//go:build !linux

package main

import "github.com/alecthomas/kingpin/v2"

// A worker measures and runs on Linux only; elsewhere cube is the manager and
// the client.
func (c *cli) registerWorker(*kingpin.Application) {}
func (c *cli) registerDev(*kingpin.Application)    {}
