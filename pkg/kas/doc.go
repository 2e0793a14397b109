// SPDX-License-Identifier: MPL-2.0

// Package kas reads the project files of kas, the setup tool for bitbake projects,
// and makes a declaration from them: the git trees become layers, the settings
// become fragments of local.conf and bblayers.conf, the targets become a stage that
// runs bitbake. It reads the files of a project and of the repositories from which
// the project includes files; it fetches nothing itself. What a declaration cannot
// express becomes a finding with its place in the YAML.
package kas
