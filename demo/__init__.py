# SPDX-License-Identifier: Apache-2.0
"""What `make demo` needs: a project, and a stand-in for the model. Tests use it as well."""
