// Command scrape compares what a scrape costs: of a cube worker, of
// node_exporter, and of a bare net/http handler that serves the worker's page
// prebuilt, which is the floor. A second floor also reads the kernel's files that
// the worker reads at each scrape, in the cheapest way, and does nothing with
// them: what nothing that reads them anew over net/http can go far below.
//
//	go install github.com/prometheus/node_exporter@v1.12.1
//	go run ./deploy/benchmarks/scrape --node-exporter="$(go env GOPATH)/bin/node_exporter"
//
// The servers are whole processes with one core, the client has another. In each
// round every server is scraped plain and with gzip, over one connection that is
// kept, and what counts is the CPU time of its process as the kernel has it, user
// and system. Other load moves all figures of a round alike: compare the medians
// of the rounds' ratios, not microseconds of different runs. Without pinning they
// swing threefold.
//
// It starts programs, so it needs a Linux machine with two cores; the tasks need
// the right to make cgroups. It imports the worker's client and the collector's
// system calls, and nothing that serves.
package main
