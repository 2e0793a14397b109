// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/pkg/confine"
	"github.com/carosio/carosbuild/pkg/plan"
)

// A declaration that is confined has the host's network only from its caller.
func TestCheckStageNetworks(t *testing.T) {
	within, err := confine.New([]string{t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		within         *confine.Roots
		network, stage string
		refused        bool
	}{
		{nil, "auto", "host", false},
		{within, "auto", "host", true},
		{within, "host", "host", false},
		{within, "auto", "", false},
		{within, "auto", "none", false},
	} {
		c := &buildCommand{planner: planner{App: &cli.App{Within: tt.within}}, runOptions: runOptions{network: tt.network}}
		err := c.checkStageNetworks(&plan.Plan{Stages: []plan.Job{{ID: "a"}, {ID: "b", Network: tt.stage}}})
		if (err != nil) != tt.refused || err != nil && !strings.Contains(err.Error(), `stage "b" asks for the host's network`) {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}

func TestCertificates(t *testing.T) {
	dir := t.TempDir()
	const good = "# an authority\n-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"
	for name, text := range map[string]string{
		"good": good, "empty": "", "text": "hello", "key": good + "-----BEGIN RSA PRIVATE KEY-----\nAA==\n-----END RSA PRIVATE KEY-----\n",
		"long": good + strings.Repeat("#", mostCertificates),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"good": "", "empty": "no certificate", "text": "no certificate", "key": "private key", "long": "16 MiB", "none": "no such file",
	} {
		o := certOptions{certificates: filepath.Join(dir, name)}
		got, err := o.read(os.Getenv)
		if want == "" {
			if err != nil || string(got) != good {
				t.Errorf("%s: %v, %q", name, err, got)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	o := certOptions{certificates: hostCertificates}
	if got, err := o.read(func(name string) string { return map[string]string{"SSL_CERT_FILE": filepath.Join(dir, "good")}[name] }); err != nil || string(got) != good {
		t.Errorf("the host's: %v, %q", err, got)
	}
	if got, err := (&certOptions{}).read(os.Getenv); err != nil || got != nil {
		t.Errorf("none: %v, %q", err, got)
	}
}
