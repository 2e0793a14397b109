// SPDX-License-Identifier: MPL-2.0

// Package aptmethod is a method of apt's that takes the place of http and https where there
// is no network: files of mirrors are in directories. It leaves out where those come from.
package aptmethod

import (
	"fmt"
	"strings"
)

// Archive is an archive as apt in a step knows it.
type Archive struct {
	Address string // host and path, without a slash at the end
	Dir     string // in the step
}

// Script is the method, a program for the shell (see doc/method.dbk of apt). A step without a
// network uses the addresses of mirrors as one with a network does, so that it leaves the
// same: the names of apt's lists have the addresses in them, and packages are in apt's cache.
// apt checks signatures and digests itself.
func Script(archives []Archive) string {
	var cases strings.Builder
	for _, a := range archives {
		line := fmt.Sprintf("\t'%s'/*) from=%s/${path#*'%[1]s'/} ;;\n", strings.ReplaceAll(a.Address, "'", "'\\''"), a.Dir)
		if !strings.Contains(cases.String(), line) {
			cases.WriteString(line)
		}
	}
	return strings.Replace(method, "CASES\n", cases.String(), 1)
}

const method = `#!/bin/sh
# Instead of http and https: what carosbuild vendor has fetched.
LC_ALL=C
export LC_ALL
say() { printf '%s\n' "$@" ''; }
fetch() {
	path=${uri#*://}
	path=${path#*@}
	from=
	case $path in
CASES
	esac
	from=$(printf '%s' "$from" | sed -e 's/%2[bB]/+/g' -e 's/%7[eE]/~/g' -e 's/%3[aA]/:/g' -e 's/%3[dD]/=/g' -e 's/%25/%/g')
	if [ -z "$from" ] || ! [ -f "$from" ]; then
		say '400 URI Failure' "URI: $uri" 'Message: it is not in the folder of --vendor' 'FailReason: HttpError404'
		return
	fi
	size=$(stat -c %s "$from")
	changed=$(date -u -r "$from" '+%a, %d %b %Y %H:%M:%S GMT')
	say '200 URI Start' "URI: $uri" "Size: $size" "Last-Modified: $changed"
	rm -f "$file"
	if ! cp --preserve=timestamps "$from" "$file"; then
		say '400 URI Failure' "URI: $uri" 'Message: it cannot be copied'
		return
	fi
	sum256=$(sha256sum "$file")
	sum512=$(sha512sum "$file")
	md5=$(md5sum "$file")
	say '201 URI Done' "URI: $uri" "Filename: $file" "Size: $size" "Last-Modified: $changed" "Checksum-FileSize-Hash: $size" \
		"MD5Sum-Hash: ${md5%% *}" "MD5-Hash: ${md5%% *}" "SHA256-Hash: ${sum256%% *}" "SHA512-Hash: ${sum512%% *}"
}
say '100 Capabilities' 'Version: 1.2' 'Single-Instance: true'
message=
while IFS= read -r line; do
	case $line in
	[0-9][0-9][0-9]' '*) message=${line%% *} uri= file= ;;
	'URI: '*) uri=${line#URI: } ;;
	'Filename: '*) file=${line#Filename: } ;;
	'') [ "$message" != 600 ] || fetch; message= ;;
	esac
done
`
