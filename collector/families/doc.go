// Package families makes a page of metrics at the price of its figures: from one
// table of metrics come the descriptors and constant metrics that a
// prometheus.Registry wants, and a pooled set of metric families, in order from
// the start and filled in place, that promhttp encodes. Both are the same byte
// for byte.
//
// It stands beside client_golang's registry since a scrape through that makes,
// checks and sorts every family anew, which takes several times what reading the
// kernel's files takes. Here the order is checked once, when the table is made.
//
// In this room belongs the making of a page, and nothing of what is on it. It
// imports nothing of Cube.
package families
