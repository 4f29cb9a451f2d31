//! The rules for the cache's directory: ours alone, or made so, or refused.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Why a directory is not fit to hold private keys.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertCacheError {
    /// No path was given.
    #[error("the certificate cache has no path")]
    NoPath,
    /// The path leads to a file or something else.
    #[error("the certificate cache {} is not a directory", path.display())]
    NotADirectory {
        /// Where it leads.
        path: PathBuf,
    },
    /// Others have rights on a directory of somebody else's, so that it is not ours to change.
    #[error("the certificate cache {} has mode {mode:04o} and is not ours", path.display())]
    Exposed {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Others have rights and they could not be taken away.
    #[error("could not take others' rights from the certificate cache {}, which has mode {mode:04o}", path.display())]
    NotTightened {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// Why not.
        source: io::Error,
    },
    /// The directory could not be made.
    #[error("could not create the certificate cache {}", path.display())]
    NotCreated {
        /// The directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The path or what it leads to could not be looked at.
    #[error("could not inspect the certificate cache {}", path.display())]
    NotInspected {
        /// The directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// A directory whose mode was too wide and no longer is.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Tightened {
    /// The directory.
    pub path: PathBuf,
    /// Permission bits as they were.
    pub from: u32,
    /// Permission bits as they are: 0700.
    pub to: u32,
}

const OURS_ALONE: u32 = 0o700;
const OTHERS_RIGHTS: u32 = 0o077;
const PERMISSION_BITS: u32 = 0o777;

/// Makes sure that `path` is a directory nobody else has rights on. Symbolic links are followed.
pub(super) fn secure(path: &Path) -> Result<Option<Tightened>, CertCacheError> {
    if path.as_os_str().is_empty() {
        return Err(CertCacheError::NoPath);
    }
    let owned = || path.to_owned();
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return create(path)
                .map(|()| None)
                .map_err(|source| CertCacheError::NotCreated {
                    path: owned(),
                    source,
                });
        }
        Err(source) => {
            return Err(CertCacheError::NotInspected {
                path: owned(),
                source,
            });
        }
    };
    if !metadata.is_dir() {
        return Err(CertCacheError::NotADirectory { path: owned() });
    }
    let mode = metadata.permissions().mode() & PERMISSION_BITS;
    if mode & OTHERS_RIGHTS == 0 {
        // Somebody else's alone: it would read as empty, and each start would ask the authority anew.
        return match fs::read_dir(path) {
            Ok(_) => Ok(None),
            Err(source) => Err(CertCacheError::NotInspected {
                path: owned(),
                source,
            }),
        };
    }
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(CertCacheError::Exposed {
            path: owned(),
            mode,
        });
    }
    fs::set_permissions(path, Permissions::from_mode(OURS_ALONE)).map_err(|source| {
        CertCacheError::NotTightened {
            path: owned(),
            mode,
            source,
        }
    })?;
    Ok(Some(Tightened {
        path: owned(),
        from: mode,
        to: OURS_ALONE,
    }))
}

fn create(path: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(OURS_ALONE)
        .create(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Directory;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & PERMISSION_BITS
    }

    #[test]
    fn o21_a_missing_nested_directory_is_made() {
        let directory = Directory::new();
        let path = directory.path().join("a/b/certs");
        assert_eq!(secure(&path).unwrap(), None);
        assert_eq!(mode(&path), 0o700);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
    }

    #[test]
    fn o22_a_wide_mode_of_ours_is_tightened_and_told() {
        for from in [0o755, 0o770, 0o701, 0o777] {
            let directory = Directory::new();
            let path = directory.path().join("certs");
            fs::create_dir(&path).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(from)).unwrap();
            let expected = Tightened {
                path: path.clone(),
                from,
                to: 0o700,
            };
            assert_eq!(secure(&path).unwrap(), Some(expected));
            assert_eq!(mode(&path), 0o700);
            assert_eq!(secure(&path).unwrap(), None);
        }
    }

    #[test]
    fn o22_a_link_is_followed() {
        let directory = Directory::new();
        let (path, link) = (
            directory.path().join("certs"),
            directory.path().join("link"),
        );
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(secure(&link).unwrap().is_some());
        assert_eq!(mode(&path), 0o700);
    }

    #[test]
    fn a_narrow_mode_is_left_alone() {
        let directory = Directory::new();
        for kept in [0o700, 0o500] {
            fs::set_permissions(directory.path(), Permissions::from_mode(kept)).unwrap();
            assert_eq!(secure(directory.path()).unwrap(), None);
            assert_eq!(mode(directory.path()), kept);
        }
        fs::set_permissions(directory.path(), Permissions::from_mode(0o700)).unwrap();
    }

    #[test]
    fn o23_a_file_or_no_path_is_refused() {
        let directory = Directory::new();
        let path = directory.path().join("file");
        fs::write(&path, "").unwrap();
        assert!(matches!(
            secure(&path),
            Err(CertCacheError::NotADirectory { .. })
        ));
        assert!(matches!(
            secure(&path.join("below")),
            Err(CertCacheError::NotInspected { .. })
        ));
        assert!(matches!(secure(Path::new("")), Err(CertCacheError::NoPath)));
    }

    /// Only root can give a directory away, and a directory of root's is foreign to everybody else.
    #[test]
    fn o23_a_foreign_directory_is_refused_and_left_alone() {
        let directory = Directory::new();
        let path = if rustix::process::geteuid().is_root() {
            let path = directory.path().join("certs");
            fs::create_dir(&path).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
            std::os::unix::fs::chown(&path, Some(65_532), None).unwrap();
            path
        } else {
            PathBuf::from("/usr")
        };
        let error = secure(&path).unwrap_err();
        assert!(
            matches!(error, CertCacheError::Exposed { mode: 0o755, .. }),
            "{error:?}"
        );
        let text = error.to_string();
        assert!(
            text.contains("0755") && text.contains(&*path.to_string_lossy()),
            "{text}"
        );
        assert_eq!(mode(&path), 0o755);
    }
}
