// SPDX-License-Identifier: MPL-2.0

// Package kas reads the project files of kas, the setup tool for bitbake
// projects, and makes a declaration of them: the git trees as layers, the
// settings as fragments of local.conf and bblayers.conf, the targets as a stage
// that runs bitbake. It looks at the files of a project and of the trees that it
// includes files from, and fetches nothing by itself. What a project asks for
// and a declaration cannot say becomes a finding with its place in the YAML.
package kas
