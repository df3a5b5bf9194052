// Package dockertest is what tests need of a Docker engine: a client to it, an
// image made from the project's own test program, so that no registry has to
// be reachable, and an owner label of their own with everything that carries
// it removed afterwards.
//
// Only tests import it. Of Cube it imports nothing.
package dockertest
