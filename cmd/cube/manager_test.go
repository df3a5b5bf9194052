package main

import (
	"reflect"
	"strings"
	"testing"

	"cube/worker/wire"
)

func TestWorkersGivenByFlags(t *testing.T) {
	for flag, want := range map[string]wire.Join{
		"h:5556":         {URL: "http://h:5556"},
		"https://h:5556": {URL: "https://h:5556"},
		"http://h:5556,source=node_exporter": {
			URL: "http://h:5556", Metrics: &wire.MetricsFrom{Source: "node_exporter"},
		},
		"h:5556,source=node_exporter,metrics-url=http://h:9200/metrics,data-root=/data": {
			URL: "http://h:5556", Metrics: &wire.MetricsFrom{Source: "node_exporter", URL: "http://h:9200/metrics", DataRoot: "/data"},
		},
	} {
		got, err := workersOf([]string{flag})
		if err != nil || !reflect.DeepEqual(got, []wire.Join{want}) {
			t.Errorf("--worker %s: got %+v and the error %v; want %+v", flag, got, err, want)
		}
	}
	for flag, word := range map[string]string{"ftp://h": "http://host:port", "h:1,sauce=x": "sauce=x", "h:1,": "no option"} {
		if _, err := workersOf([]string{flag}); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("--worker %s: the error is %v; want one with %q", flag, err, word)
		}
	}
}
