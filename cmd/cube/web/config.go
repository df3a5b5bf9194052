package web

import (
	"fmt"
	"net"
	"os"

	toolkit "github.com/prometheus/exporter-toolkit/web"
	"go.yaml.in/yaml/v2"
)

// loadConfig reads a web configuration file; no file is the zero one.
func loadConfig(file string) (toolkit.Config, error) {
	var config toolkit.Config
	if file == "" {
		return config, nil
	}
	if err := toolkit.Validate(file); err != nil {
		return config, fmt.Errorf("the web configuration %s: %w", file, err)
	}
	return parseConfig(file)
}

// parseConfig reads a web configuration file without looking at what it names;
// no file is the zero one.
func parseConfig(file string) (toolkit.Config, error) {
	var config toolkit.Config
	if file == "" {
		return config, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return config, fmt.Errorf("the web configuration: %w", err)
	}
	if err := yaml.Unmarshal(text, &config); err != nil {
		return config, fmt.Errorf("the web configuration %s: %w", file, err)
	}
	return config, nil
}

// CheckExposure refuses to open the task API to other machines without
// authentication. It returns whether there is some: passwords or verified
// certificates by the web configuration, or roles.
func CheckExposure(addresses []string, configFile string, roles, insecure bool) (authenticated bool, err error) {
	config, err := loadConfig(configFile)
	if err != nil {
		return false, err
	}
	// Who is asked who it is: by password, or by a verified certificate.
	authenticated = roles || len(config.Users) > 0 || config.TLSConfig.ClientAuth == "RequireAndVerifyClientCert"
	if authenticated || insecure {
		return authenticated, nil
	}
	for _, address := range addresses {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return false, fmt.Errorf("the listen address %q: want host:port", address)
		}
		if !isLoopback(host) {
			return false, fmt.Errorf("the task API on %s could be used by everybody who reaches that address: "+
				"give --web.config.file with basic_auth_users or client certificates, --web.roles-file, or --web.insecure if that is meant", address)
		}
	}
	return false, nil
}
