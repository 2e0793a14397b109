// SPDX-License-Identifier: MPL-2.0

package field

import (
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/lazyregexp"
)

var (
	archRE    = lazyregexp.New(`^[a-z0-9][a-z0-9-]*$`)
	packageRE = lazyregexp.New(`^[a-z0-9][a-z0-9+.-]*$`)
	versionRE = lazyregexp.New(`^[0-9][A-Za-z0-9.+~:-]*$`)
)

// IsArch reports whether s is a valid name of an architecture.
func IsArch(s string) bool { return archRE().MatchString(s) }

// IsPackage reports whether s is a valid name of a package.
func IsPackage(s string) bool { return packageRE().MatchString(s) }

// IsVersion reports whether s is a valid version of a package.
func IsVersion(s string) bool { return versionRE().MatchString(s) }

// IsPoolPath reports whether a file name from a mirror stays below the mirror's
// directory.
func IsPoolPath(s string) bool {
	return s != "" && s[0] != '/' && !strings.ContainsAny(s, " \t\n?#\\") &&
		!slices.Contains(strings.Split(s, "/"), "..")
}
