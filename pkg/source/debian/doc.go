// SPDX-License-Identifier: MPL-2.0

// Package debian makes a Debian root file system from a mirror without any
// tool of the host. It goes in four steps, each a method of Fetcher or of the
// plain data that the step before returned:
//
//	Resolve   release files verified with OpenPGP, indices verified by hash,
//	          dependency closure: a Resolution
//	Fetch     the .debs of a Resolution, verified, in a cache shared by builds
//	Unpack    the base set straight into an empty directory, with dpkg's
//	          database in the state that "dpkg --unpack" leaves behind
//	scripts   Resolution.ConfigureScript and InstallScript, run by the caller
//	          as root inside a sandbox on that directory, bring it to the end
//
// Passwords of the host's proxies and mirrors stay in a Host. AptFiles are what a
// step gets to use apt with the host's mirrors, and a Relay is the proxy that
// adds the passwords.
//
// It leaves out sandboxes, layers, foreign architectures' binfmt, apt
// repositories other than the distribution's own, and source packages.
//
// Libraries. Version order and dependency syntax are those of
// pault.ag/go/debian. Its control and deb packages are not used: they link the
// frozen golang.org/x/crypto/openpgp, control.ParagraphReader unfolds
// continuation lines, which dpkg's status file must keep, and takes 0.36 s for
// bookworm's index where the scan here takes 0.06 s, and deb.Ar.Next does not
// end on a member of negative size. Decoding the 96 data members of bookworm's
// minbase, 167 MB, took 3.2 s with therootcompany/xz and with xi2/xz, whose
// successor it is, and 4.2 s with ulikunitz/xz.
package debian
