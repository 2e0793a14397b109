// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/sandbox"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/source/debian"
)

// What a command needs from the host is in its environment and below /run/carosbuild,
// unless the image says otherwise.
func TestAddHost(t *testing.T) {
	const ca = "-----BEGIN CERTIFICATE-----\n"
	trust := func(but string) map[string]string {
		m := map[string]string{"PATH": "/bin"}
		for _, name := range certificateVariables() {
			m[name] = certificates
		}
		delete(m, but)
		return m
	}
	with := func(m map[string]string, more ...string) map[string]string {
		for i := 0; i < len(more); i += 2 {
			m[more[i]] = more[i+1]
		}
		return m
	}
	bootstrapped := &plan.Apt{Bootstrap: debian.Bootstrap{Suite: "sid"}}
	proxies := map[string]string{"http_proxy": "http://p:1"}
	for _, tt := range []struct {
		name    string
		local   Local
		base    *plan.Apt
		apt     bool
		network sandbox.Network
		env     map[string]string
		want    map[string]string
		conf    string // text in apt's configuration; "-": there is none
	}{
		{"nothing", Local{}, nil, true, sandbox.AutoNetwork, nil, map[string]string{"PATH": "/bin"}, "-"},
		{"certificates", Local{Certificates: []byte(ca)}, nil, true, sandbox.NoNetwork, nil, with(trust(""), "APT_CONFIG", debian.AptConfig), "Acquire::https::CAInfo \"" + certificates + "\";\n"},
		{"the image's own", Local{Certificates: []byte(ca)}, nil, false, sandbox.AutoNetwork, map[string]string{"PIP_CERT": "/x"}, with(trust("PIP_CERT"), "PIP_CERT", "/x"), "-"},
		{"proxies", Local{Proxies: proxies}, nil, true, sandbox.AutoNetwork, nil, map[string]string{"PATH": "/bin", "http_proxy": "http://p:1"}, "-"},
		{"no network", Local{Proxies: proxies}, nil, true, sandbox.NoNetwork, nil, map[string]string{"PATH": "/bin"}, "-"},
		{
			"apt without the proxies",
			Local{Proxies: proxies},
			bootstrapped, true, sandbox.HostNetwork, nil,
			map[string]string{"PATH": "/bin", "http_proxy": "http://p:1", "APT_CONFIG": debian.AptConfig},
			"Acquire::http::Proxy \"DIRECT\";\n",
		},
		{
			"apt with its proxy",
			Local{Proxies: proxies, Host: debian.Host{HTTPProxy: "http://apt:1"}},
			bootstrapped, true, sandbox.HostNetwork, nil,
			map[string]string{"PATH": "/bin", "http_proxy": "http://p:1", "APT_CONFIG": debian.AptConfig},
			"Acquire::http::Proxy \"http://apt:1\";\n",
		},
		{"bitbake", Local{Certificates: []byte(ca)}, bootstrapped, false, sandbox.AutoNetwork, nil, trust(""), "-"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := tt.local
			l.Scratch = t.TempDir()
			r := &jobRun{Local: &l, job: &plan.Job{ID: "s", Apt: tt.base}}
			w := environment{env: map[string]string{"PATH": "/bin"}, network: tt.network}
			for k, v := range tt.env {
				w.env[k] = v
			}
			if err := r.addHost(&w, tt.apt); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(w.env, tt.want); diff != "" {
				t.Errorf("environment (-got +want):\n%s", diff)
			}
			dir := filepath.Join(l.Scratch, "run", "s")
			if got, _ := os.ReadFile(filepath.Join(dir, filepath.Base(certificates))); string(got) != string(l.Certificates) {
				t.Errorf("certificates: %q", got)
			}
			conf, err := os.ReadFile(filepath.Join(dir, filepath.Base(debian.AptConfig)))
			if (err != nil) != (tt.conf == "-") || err == nil && (!strings.Contains(string(conf), tt.conf) || strings.Count(string(conf), "Proxy") > 1) {
				t.Errorf("apt's configuration: %v, %s", err, conf)
			}
			for _, m := range w.mounts {
				if m.Target != debian.RunDir || !m.ReadOnly || m.Source != dir {
					t.Errorf("mount %+v", m)
				}
			}
		})
	}
}
