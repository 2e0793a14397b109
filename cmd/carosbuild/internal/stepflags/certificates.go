// SPDX-License-Identifier: MPL-2.0

package stepflags

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
)

// Certificates are those that steps trust, as the caller has written it.
type Certificates struct {
	file string // a name, or hostCertificates
}

// hostCertificates stands for those of the host.
const hostCertificates = "host"

// Add defines the flag that a shell has, too.
func (o *Certificates) Add(a *cli.App, f *pflag.FlagSet) {
	f.StringVar(&o.file, "ca-certificates", a.Env("CA_CERTIFICATES", ""), "file with the certificates that steps trust, in PEM, or host for those of this host; no layer has them (default those of the stage)")
}

// hostBundles are where distributions have the certificates of authorities: Debian, Fedora,
// openSUSE, Alpine.
func hostBundles() []string {
	return []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"}
}

// mostCertificates is how long a file with certificates may be, in bytes.
const mostCertificates = 16 << 20

// Read is the file that the option names, nil for none.
func (o *Certificates) Read(getenv func(string) string) ([]byte, error) {
	name := o.file
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
