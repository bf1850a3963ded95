//! Stands in for the `cmake` crate when `opusic-sys` builds its bundled libopus.
//!
//! It reads libopus's own source lists (`*_sources.mk`) and compiles them with the C compiler, so
//! that a machine with Rust and gcc needs nothing else. It understands exactly the part of the
//! `cmake` crate's interface that libopus's build script uses, and builds nothing but libopus.
//! Vector code (SSE4.1, AVX2) is compiled in and chosen at run time, as the original build does.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Collects what the build script asks for; [`Config::build`] compiles.
#[derive(Debug)]
pub struct Config {
    source: PathBuf,
    defines: BTreeMap<String, String>,
}

impl Config {
    /// Names the folder of the C sources.
    pub fn new<P: AsRef<Path>>(source: P) -> Config {
        Config {
            source: source.as_ref().to_owned(),
            defines: BTreeMap::new(),
        }
    }

    /// Records a CMake variable; those that libopus's defaults do not settle are honoured by `build`.
    pub fn define<K: AsRef<OsStr>, V: AsRef<OsStr>>(&mut self, name: K, value: V) -> &mut Config {
        let text = |os: &OsStr| os.to_string_lossy().into_owned();
        self.defines
            .insert(text(name.as_ref()), text(value.as_ref()));
        self
    }

    /// Accepts a configure-time argument, which a direct compilation has no use for.
    pub fn configure_arg<A: AsRef<OsStr>>(&mut self, _argument: A) -> &mut Config {
        self
    }

    /// Accepts an environment variable of the configure step, which does not exist here.
    pub fn env<K, V>(&mut self, _name: K, _value: V) -> &mut Config
    where
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        self
    }

    /// Accepts a generator, which a direct compilation has no use for.
    pub fn generator<T: AsRef<OsStr>>(&mut self, _generator: T) -> &mut Config {
        self
    }

    /// Compiles libopus into `OUT_DIR/lib/libopus.a` and returns `OUT_DIR`.
    ///
    /// # Panics
    /// When the sources are not libopus's or the compiler fails: a build script has no other voice.
    pub fn build(&mut self) -> PathBuf {
        let out =
            PathBuf::from(env::var_os("OUT_DIR").unwrap_or_else(|| fail("OUT_DIR is not set")));
        let lists = SourceLists::read(&self.source);
        let x86_64 = env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "x86_64");

        let mut sources = lists.take(&["SILK_SOURCES", "SILK_SOURCES_FLOAT", "CELT_SOURCES"]);
        sources.extend(lists.take(&["OPUS_SOURCES", "OPUS_SOURCES_FLOAT"]));
        let mut base = self.compiler();
        if x86_64 {
            sources.extend(lists.take(&["CELT_SOURCES_X86_RTCD", "SILK_SOURCES_X86_RTCD"]));
            sources.extend(lists.take(&["CELT_SOURCES_SSE", "CELT_SOURCES_SSE2"]));
            for define in [
                "OPUS_HAVE_RTCD",
                "CPU_INFO_BY_C",
                "OPUS_X86_MAY_HAVE_SSE",
                "OPUS_X86_MAY_HAVE_SSE2",
                "OPUS_X86_MAY_HAVE_SSE4_1",
                "OPUS_X86_MAY_HAVE_AVX2",
                "OPUS_X86_PRESUME_SSE",
                "OPUS_X86_PRESUME_SSE2",
            ] {
                base.define(define, None);
            }
            // Files that use wider vectors get their own flags; the rest must run on any x86-64.
            let wide: [(&[&str], &[&str]); 2] = [
                (
                    &["CELT_SOURCES_SSE4_1", "SILK_SOURCES_SSE4_1"],
                    &["-msse4.1"],
                ),
                (
                    &[
                        "CELT_SOURCES_AVX2",
                        "SILK_SOURCES_AVX2",
                        "SILK_SOURCES_FLOAT_AVX2",
                    ],
                    &["-mavx", "-mavx2", "-mfma"],
                ),
            ];
            for (names, flags) in wide {
                let mut with_flags = base.clone();
                for flag in flags {
                    with_flags.flag(flag);
                }
                for object in with_flags.files(lists.take(names)).compile_intermediates() {
                    base.object(object);
                }
            }
        }
        let lib = out.join("lib");
        fs::create_dir_all(&lib)
            .unwrap_or_else(|error| fail(&format!("{}: {error}", lib.display())));
        base.files(sources).out_dir(&lib).compile("opus");
        println!("cargo:rerun-if-changed={}", self.source.display());
        out
    }

    /// The compiler with what every file of libopus needs.
    fn compiler(&self) -> cc::Build {
        let mut build = cc::Build::new();
        build
            .cargo_metadata(false)
            .warnings(false)
            .opt_level(3)
            .debug(false)
            .define("OPUS_BUILD", None)
            .define("USE_ALLOCA", None)
            .define("HAVE_ALLOCA_H", None)
            .define("HAVE_LRINT", None)
            .define("HAVE_LRINTF", None)
            .define("DISABLE_DEBUG_FLOAT", None)
            .define("PACKAGE_VERSION", Some(self.version().as_str()));
        if self.is_on("OPUS_HARDENING") {
            build.define("ENABLE_HARDENING", None);
        }
        if self.is_on("OPUS_STACK_PROTECTOR") {
            build.flag_if_supported("-fstack-protector-strong");
        }
        if self.is_on("OPUS_FORTIFY_SOURCE") {
            build.define("_FORTIFY_SOURCE", Some("2"));
        }
        for unsupported in ["OPUS_DRED", "OPUS_OSCE", "OPUS_FIXED_POINT"] {
            assert!(
                !self.is_on(unsupported),
                "{unsupported} needs the real cmake"
            );
        }
        for folder in ["", "include", "celt", "silk", "silk/float"] {
            build.include(self.source.join(folder));
        }
        build
    }

    fn is_on(&self, name: &str) -> bool {
        self.defines.get(name).is_some_and(|value| value == "ON")
    }

    /// The version that `opus_get_version_string` reports, from the `package_version` file.
    fn version(&self) -> String {
        let text = fs::read_to_string(self.source.join("package_version")).unwrap_or_default();
        let version = text.split('"').nth(1).unwrap_or("unknown");
        format!("\"{version}-cc\"")
    }
}

/// The variables of libopus's `*_sources.mk`, by name.
struct SourceLists {
    root: PathBuf,
    lists: BTreeMap<String, Vec<String>>,
}

impl SourceLists {
    fn read(root: &Path) -> SourceLists {
        let mut lists = BTreeMap::new();
        for file in ["silk_sources.mk", "celt_sources.mk", "opus_sources.mk"] {
            let path = root.join(file);
            let text = fs::read_to_string(&path).unwrap_or_else(|error| {
                fail(&format!(
                    "{} (only libopus can be built): {error}",
                    path.display()
                ))
            });
            for line in text.replace("\\\n", " ").lines() {
                if let Some((name, value)) = line.split_once('=') {
                    let files = value.split_whitespace().map(str::to_owned).collect();
                    lists.insert(name.trim().to_owned(), files);
                }
            }
        }
        SourceLists {
            root: root.to_owned(),
            lists,
        }
    }

    fn take(&self, names: &[&str]) -> Vec<PathBuf> {
        let list = |name: &&str| match self.lists.get(*name) {
            Some(files) => files.iter().map(|file| self.root.join(file)).collect(),
            None => fail(&format!("libopus's source lists have no {name}")),
        };
        names
            .iter()
            .flat_map(|name| -> Vec<PathBuf> { list(name) })
            .collect()
    }
}

fn fail(reason: &str) -> ! {
    panic!("building libopus: {reason}")
}
