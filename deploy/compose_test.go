package deploy_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v2"
)

// composeFile is what is read of a compose file.
type composeFile struct {
	Services map[string]struct {
		Image       string            `yaml:"image"`
		NetworkMode string            `yaml:"network_mode"`
		Command     []string          `yaml:"command"`
		Environment map[string]string `yaml:"environment"`
		CapDrop     []string          `yaml:"cap_drop"`
		ReadOnly    bool              `yaml:"read_only"`
		Volumes     []string          `yaml:"volumes"`
	} `yaml:"services"`
	Volumes map[string]any `yaml:"volumes"`
}

func readCompose(t *testing.T) composeFile {
	t.Helper()
	var file composeFile
	if err := yaml.Unmarshal([]byte(read(t, "compose.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestComposeMountsWhatExists(t *testing.T) {
	t.Parallel()
	file := readCompose(t)
	for name, service := range file.Services {
		for _, volume := range service.Volumes {
			source, _, _ := strings.Cut(volume, ":")
			if _, named := file.Volumes[source]; named || strings.HasPrefix(source, "/") {
				continue
			}
			if _, err := os.Stat(source); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// Without passwords, loopback is all that keeps others out.
func TestComposeListensOnLoopbackAlone(t *testing.T) {
	t.Parallel()
	services := readCompose(t).Services
	for _, name := range []string{"manager", "worker", "prometheus"} {
		if !slices.ContainsFunc(services[name].Command, func(argument string) bool {
			return strings.HasPrefix(argument, "--web.listen-address=127.0.0.1:")
		}) {
			t.Errorf("%s does not say that it listens on loopback", name)
		}
	}
	if address := services["grafana"].Environment["GF_SERVER_HTTP_ADDR"]; address != "127.0.0.1" {
		t.Errorf("grafana listens on %q", address)
	}
	for name, service := range services {
		if service.NetworkMode != "host" || !slices.Equal(service.CapDrop, []string{"ALL"}) || !service.ReadOnly {
			t.Errorf("%s: network %q, dropped capabilities %q, read-only %t", name, service.NetworkMode, service.CapDrop, service.ReadOnly)
		}
	}
}
