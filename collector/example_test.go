package collector_test

import (
	"fmt"
	"log"

	"github.com/prometheus/client_golang/prometheus"

	"cube/collector"
)

// In somebody else's exporter: register the collector beside the others. Where
// the page is served by promhttp.HandlerForTransactional, the collector itself is
// a gatherer that costs less than a registry.
func ExampleNew() {
	machine, err := collector.New(collector.Config{ProcPath: "testdata/machine/proc", DataRoot: "/"})
	if err != nil {
		log.Fatal(err)
	}
	defer func() {
		if err := machine.Close(); err != nil {
			log.Print(err)
		}
	}()
	registry := prometheus.NewRegistry()
	if err := registry.Register(machine); err != nil {
		log.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		log.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == "cube_memory_total_bytes" {
			fmt.Printf("%s %.0f\n", family.GetName(), family.GetMetric()[0].GetGauge().GetValue())
		}
	}
	// Output: cube_memory_total_bytes 8192000000
}
