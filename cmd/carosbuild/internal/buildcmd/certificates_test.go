// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"strings"
	"testing"
)

// Steps get certificates, and nothing else that is in the file.
func TestCheckCertificates(t *testing.T) {
	block := func(kind string) string {
		return "-----BEGIN " + kind + "-----\nAAAA\n-----END " + kind + "-----\n"
	}
	certificate := block("CERTIFICATE")
	for _, tt := range []struct{ data, err string }{
		{certificate, ""},
		{"# an authority\n" + certificate + block("TRUSTED CERTIFICATE"), ""},
		{"", "no certificate"},
		{"text", "no certificate"},
		{certificate + block("PRIVATE KEY"), "private key"},
		{block("ENCRYPTED PRIVATE KEY") + certificate, "private key"},
		{strings.ReplaceAll(certificate+block("RSA PRIVATE KEY"), "\n", "\r\n"), "private key"},
		{certificate + "  " + block("OPENSSH PRIVATE KEY"), "private key"},
		{certificate + block("PGP PRIVATE KEY BLOCK"), "private key"},
		{certificate + block("DH PARAMETERS"), `more than certificates, "DH PARAMETERS"`},
		{block("PUBLIC KEY"), "more than certificates"},
	} {
		err := checkCertificates([]byte(tt.data))
		if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%q: %v, want %q", tt.data, err, tt.err)
		}
	}
}
