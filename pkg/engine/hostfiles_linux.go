// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/sandbox"
	"github.com/carosio/carosbuild/pkg/source/debian"
)

// certificates is where commands find Local.Certificates.
const certificates = debian.RunDir + "/ca-certificates.crt"

// certificateVariables point programs to the certificates: OpenSSL and Go; curl; git;
// Python's requests and pip; Node.js, which adds them to its own.
func certificateVariables() []string {
	return []string{"SSL_CERT_FILE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "REQUESTS_CA_BUNDLE", "PIP_CERT", "NODE_EXTRA_CA_CERTS"}
}

// addHost gives a command what it needs from this host, without a trace in the root:
// certificates and proxies and, except for bitbake, apt's configuration of mirrors.
// Variables of the image are not changed.
func (r *jobRun) addHost(w *environment, apt bool) error {
	set := func(name, value string) {
		if _, ok := w.env[name]; !ok {
			w.env[name] = value
		}
	}
	if w.network != sandbox.NoNetwork {
		for name, value := range r.Proxies {
			set(name, value)
		}
	}
	if r.Certificates != nil {
		for _, name := range certificateVariables() {
			set(name, certificates)
		}
	}
	mounts, config, err := r.hostFiles(apt)
	if w.mounts = append(w.mounts, mounts...); config {
		w.env["APT_CONFIG"] = debian.AptConfig
	}
	return err
}

// hostFiles are the mounts with the certificates and, in stages based on a bootstrap, with
// apt's configuration of the host's mirror. Config reports whether there is one for apt.
func (r *jobRun) hostFiles(apt bool) (mounts []sandbox.Mount, config bool, err error) {
	step := debian.StepFiles{Files: map[string]string{}}
	if apt && r.job.Apt != nil {
		host, relay := r.aptHost(r.job.Apt)
		if step, err = r.job.Apt.Bootstrap.AptFiles(host, r.job.Apt.Without, relay); err != nil {
			return nil, false, err
		}
		step.Files[debian.AptConfig] += r.noOtherProxy(step.Files[debian.AptConfig])
	}
	if r.Certificates != nil {
		step.Files[certificates] = string(r.Certificates)
		if apt {
			step.Files[debian.AptConfig] += fmt.Sprintf("Acquire::https::CAInfo \"%s\";\n", certificates)
		}
	}
	if len(step.Files) == 0 {
		return nil, false, nil
	}
	dir, err := r.runDir(r.job.ID, step.Files)
	if err != nil {
		return nil, false, err
	}
	mounts = []sandbox.Mount{{Source: dir, Target: debian.RunDir, ReadOnly: true}}
	for _, target := range slices.Sorted(maps.Keys(step.Dirs)) {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Base(target)), 0o755); err != nil {
			return nil, false, fmt.Errorf("files for the sandbox: %w", err)
		}
		mounts = append(mounts, sandbox.Mount{Source: step.Dirs[target], Target: target, ReadOnly: true})
	}
	return mounts, step.Files[debian.AptConfig] != "", nil
}

// noOtherProxy makes apt ignore proxy variables if its configuration names no proxy:
// then the host's apt uses none.
func (r *jobRun) noOtherProxy(config string) string {
	out := ""
	for _, scheme := range []string{"http", "https"} {
		option := "Acquire::" + scheme + "::Proxy"
		if r.Proxies[scheme+"_proxy"] != "" && !strings.Contains(config, option+" ") {
			out += option + " \"DIRECT\";\n"
		}
	}
	return out
}
