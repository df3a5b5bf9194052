package deploy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	flagInSource  = regexp.MustCompile(`Flag\((?:cmd, )?"([a-z0-9.-]+)"`)
	flagInUse     = regexp.MustCompile(`(?m)(?:^|[\s"'(` + "`" + `])--([a-z][a-z0-9.-]*[a-z0-9])`)
	environment   = regexp.MustCompile(`\bCUBE_[A-Z_]+`)
	notInVariable = regexp.MustCompile(`[^A-Z0-9]`)
)

// A renamed flag must not leave a unit or the compose file behind.
func TestFlagsAndVariablesExist(t *testing.T) {
	t.Parallel()
	flags := programFlags(t)
	variables := map[string]bool{}
	for flag := range flags {
		variables["CUBE_"+notInVariable.ReplaceAllString(strings.ToUpper(flag), "_")] = true
	}
	for _, file := range []string{
		"Dockerfile", "systemd/cube-worker.service", "systemd/cube-manager.service",
		"systemd/default/cube-worker", "systemd/default/cube-manager",
	} {
		for _, variable := range environment.FindAllString(read(t, file), -1) {
			if !variables[variable] {
				t.Errorf("%s: the program has no flag for %s", file, variable)
			}
		}
	}
	for _, service := range []string{"manager", "worker"} {
		for _, argument := range readCompose(t).Services[service].Command[1:] {
			flag := strings.TrimPrefix(strings.SplitN(argument, "=", 2)[0], "--")
			if !flags[flag] {
				t.Errorf("compose.yaml, %s: the program has no flag --%s", service, flag)
			}
		}
	}
}

// Alerts' runbooks and READMEs name flags to people.
func TestTextsNameFlagsThatExist(t *testing.T) {
	t.Parallel()
	flags := programFlags(t)
	for _, flag := range []string{ // of ps and du, and every command's
		"sort", "max-depth", "inodes", "help",
	} {
		flags[flag] = true
	}
	for _, pattern := range []string{"prometheus/rules/*.yml", "grafana/dashboards/*.go", "systemd/*.service", "systemd/default/*"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no files %s: %v", pattern, err)
		}
		for _, file := range files {
			for _, match := range flagInUse.FindAllStringSubmatch(read(t, file), -1) {
				if !flags[match[1]] {
					t.Errorf("%s: the program has no flag --%s", file, match[1])
				}
			}
		}
	}
}

// programFlags are the names of all flags that the program's source declares.
func programFlags(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("../cmd/cube/*.go")
	if err != nil {
		t.Fatal(err)
	}
	flags := map[string]bool{}
	for _, file := range files {
		for _, match := range flagInSource.FindAllStringSubmatch(read(t, file), -1) {
			flags[match[1]] = true
		}
	}
	if !flags["data-dir"] || !flags["worker.http-config.file"] {
		t.Fatalf("the flags are not found in the source any more: %v", flags)
	}
	return flags
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
