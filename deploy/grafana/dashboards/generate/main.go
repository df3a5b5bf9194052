// Command generate writes the dashboards as JSON files into the working
// directory: see go generate in the package above.
package main

import (
	"fmt"
	"os"

	"cube/deploy/grafana/dashboards"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run() error {
	all, err := dashboards.All()
	if err != nil {
		return err
	}
	for _, d := range all {
		text, err := d.JSON()
		if err != nil {
			return err
		}
		if err := os.WriteFile(d.File, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
