// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/pflag"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/sandbox"
)

// networkNames are the values of --network.
func networkNames() []string {
	return []string{string(sandbox.AutoNetwork), string(sandbox.HostNetwork), string(sandbox.NoNetwork)}
}

func checkNetwork(name string) error {
	if !slices.Contains(networkNames(), name) {
		return cli.Usagef("--network %q: want auto, host or none", name)
	}
	return nil
}

// checkStageNetworks keeps a declaration that is confined from having the host's network,
// unless the caller gives it.
func (c *buildCommand) checkStageNetworks(p *plan.Plan) error {
	if c.Within == nil || c.network == string(sandbox.HostNetwork) {
		return nil
	}
	for _, s := range p.Stages {
		if s.Network == string(sandbox.HostNetwork) {
			return cli.Usagef("stage %q asks for the host's network, which a declaration cannot have in CI or with --confine\n%-12s %s", s.ID, "remedy:", "--network host, which gives it to all stages that do not say network=\"auto\" or \"none\"")
		}
	}
	return nil
}

// certOptions are the certificates that steps are to trust.
type certOptions struct {
	certificates string // file, or hostCertificates
}

// hostCertificates stands for those of the host.
const hostCertificates = "host"

// add defines the flag that a shell has, too.
func (o *certOptions) add(a *cli.App, f *pflag.FlagSet) {
	f.StringVar(&o.certificates, "ca-certificates", a.Env("CA_CERTIFICATES", ""), "file with the certificates that steps trust, in PEM, or host for those of this host; no layer has them (default those of the stage)")
}

// hostBundles are where distributions have the certificates of authorities: Debian, Fedora,
// openSUSE, Alpine.
func hostBundles() []string {
	return []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"}
}

// mostCertificates is how long a file with certificates may be, in bytes.
const mostCertificates = 16 << 20

// read is the file that the option names, nil for none.
func (o *certOptions) read(getenv func(string) string) ([]byte, error) {
	name := o.certificates
	if name == "" {
		return nil, nil
	}
	if name == hostCertificates {
		if name = getenv("SSL_CERT_FILE"); name == "" {
			names := hostBundles()
			i := slices.IndexFunc(names, func(n string) bool { _, err := os.Stat(n); return err == nil })
			if i < 0 {
				return nil, cli.Usagef("--ca-certificates host: this host has none of %v, and SSL_CERT_FILE is not set", names)
			}
			name = names[i]
		}
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, cli.Usagef("--ca-certificates: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, mostCertificates+1))
	if err != nil {
		return nil, cli.Usagef("--ca-certificates: %w", err)
	}
	if err := checkCertificates(data); err != nil {
		return nil, cli.Usagef("--ca-certificates: %s: %w", name, err)
	}
	return data, nil
}

// checkCertificates refuses what steps must not see, and what is of no use to them.
func checkCertificates(data []byte) error {
	if len(data) > mostCertificates {
		return fmt.Errorf("it has more than %d MiB", mostCertificates>>20)
	}
	for line := range bytes.Lines(data) {
		kind, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte("-----BEGIN "))
		switch {
		case ok && bytes.Contains(kind, []byte("PRIVATE KEY")):
			return errors.New("it has a private key, which steps could read")
		case ok && !bytes.HasSuffix(kind, []byte("CERTIFICATE-----")):
			return fmt.Errorf("it has more than certificates, %.40q, which steps could read", bytes.TrimRight(kind, "-"))
		}
	}
	if b, _ := pem.Decode(data); b == nil {
		return errors.New("it has no certificate in PEM (-----BEGIN CERTIFICATE-----)")
	}
	return nil
}
