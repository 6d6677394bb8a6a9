//! Users and groups by the root's own files, without the name service: another root's libraries cannot be asked, and a
//! static program has none. On image-based systems the vendor's accounts lie under `/usr/lib`.
//!
//! Of a user this backend manages the keys, in a file that is ours alone, and the password hash.

use super::disk::{Access, Disk, Place, access_of, below_without_links, give, names};
use super::files::failed;
use crate::host::{HostError, User};
use rustix::fs::{self, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// The owner's accounts first, then the vendor's.
const USERS: [&str; 2] = ["/etc/passwd", "/usr/lib/passwd"];
const GROUPS: [&str; 2] = ["/etc/group", "/usr/lib/group"];
const SHADOW: &str = "/etc/shadow";

/// What every tool that changes accounts locks (lckpwdf(3)).
const LOCK: &str = "/etc/.pwd.lock";

/// The file that holds our keys and nobody else's, below a home.
const KEYS_DIRECTORY: [&str; 2] = [".ssh", "authorized_keys.d"];
const KEYS: &str = "ignition";

/// Password fields that say nothing but "no login by password".
const NO_PASSWORD: [&str; 4] = ["*", "!", "!!", "!*"];

/// Which accounts.
#[derive(Debug, Clone, Copy)]
pub(super) enum Database {
    Users,
    Groups,
}

impl Database {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Users => "user",
            Self::Groups => "group",
        }
    }
}

/// The number of `name`.
pub(super) fn id_of(disk: &Disk, database: Database, name: &str) -> io::Result<Option<u32>> {
    if name == "root" {
        return Ok(Some(0));
    }
    let files = match database {
        Database::Users => USERS,
        Database::Groups => GROUPS,
    };
    for file in files {
        let text = disk.read_text(file)?.unwrap_or_default();
        if let Some(fields) = line_of(&text, name)
            && let Some(id) = fields.get(2).and_then(|id| id.parse().ok())
        {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

fn line_of<'a>(text: &'a str, name: &str) -> Option<Vec<&'a str>> {
    text.lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.first() == Some(&name))
}

struct Account {
    id: u32,
    group: u32,
    home: String,
}

fn account(disk: &Disk, name: &str) -> io::Result<Option<Account>> {
    for file in USERS {
        let text = disk.read_text(file)?.unwrap_or_default();
        if let Some(fields) = line_of(&text, name)
            && let [_, _, id, group, _, home, ..] = fields.as_slice()
            && let (Ok(id), Ok(group)) = (id.parse(), group.parse())
        {
            return Ok(Some(Account {
                id,
                group,
                home: (*home).to_owned(),
            }));
        }
    }
    Ok(None)
}

/// The login data of user `name`.
pub(super) fn user(disk: &Disk, name: &str) -> Result<Option<User>, HostError> {
    let read = || {
        let Some(account) = account(disk, name)? else {
            return Ok(None);
        };
        Ok(Some(User {
            ssh_keys: keys(disk, &account)?,
            password_hash: password_hash(disk, name)?,
        }))
    };
    read().map_err(|error: io::Error| failed("read the account of", name, error))
}

fn keys(disk: &Disk, account: &Account) -> io::Result<Vec<String>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let Some(home) = disk.lookup(&account.home, flags)? else {
        return Ok(Vec::new());
    };
    let Some(directory) = below_without_links(home.as_fd(), &KEYS_DIRECTORY)? else {
        return Ok(Vec::new());
    };
    let place = Place {
        directory,
        name: KEYS.to_owned(),
    };
    disk.tidy_place(&place)?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match fs::openat(&place.directory, KEYS, flags, Mode::empty()) {
        Ok(file) => {
            let text = io::read_to_string(std::fs::File::from(file))?;
            let keys = text.lines().filter(|line| !line.is_empty());
            Ok(keys.map(str::to_owned).collect())
        }
        Err(Errno::NOENT) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

fn password_hash(disk: &Disk, name: &str) -> io::Result<Option<String>> {
    disk.tidy(SHADOW)?;
    let text = disk.read_text(SHADOW)?.unwrap_or_default();
    let field = line_of(&text, name).and_then(|fields| fields.get(1).map(|it| (*it).to_owned()));
    Ok(field.filter(|field| !NO_PASSWORD.contains(&field.as_str())))
}

/// Whether login data could be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Set {
    Done,
    /// Another tool is changing accounts.
    Busy,
}

/// Sets the login data of user `name`: keys and password each at once.
pub(super) fn set_user(disk: &Disk, name: &str, user: &User) -> Result<Set, HostError> {
    let refuse = |hint: &str| HostError::new("set the account of", name, hint);
    let broken = |text: &String| text.contains(['\n', '\0']);
    if user.ssh_keys.iter().any(broken) {
        return Err(refuse(
            "a key has a line break in it; write one key an entry",
        ));
    }
    let hash = user.password_hash.as_ref();
    if hash.is_some_and(|hash| broken(hash) || hash.contains(':')) {
        return Err(refuse(
            "its passwordHash is no hash of crypt(5); make one with mkpasswd",
        ));
    }
    let account = account(disk, name)
        .map_err(|error| failed("read the account of", name, error))?
        .ok_or_else(|| refuse("this machine has no such user"))?;
    set_keys(disk, &account, &user.ssh_keys)
        .map_err(|error| failed("set the keys of", name, error))?;
    set_password(disk, name, user.password_hash.as_deref())
        .map_err(|error| failed("set the password of", name, error))
}

fn set_keys(disk: &Disk, account: &Account, wanted: &[String]) -> io::Result<()> {
    if keys(disk, account)? == wanted {
        return Ok(());
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let home = disk.lookup(&account.home, flags)?.ok_or_else(|| {
        let words = format!("there is no home {}", account.home);
        io::Error::new(io::ErrorKind::NotFound, words)
    })?;
    let mut directory = home;
    for name in KEYS_DIRECTORY {
        directory = own_directory(disk, directory, name, account)?;
    }
    let place = Place {
        directory,
        name: KEYS.to_owned(),
    };
    if wanted.is_empty() {
        return disk.remove(&place);
    }
    let access = Access {
        mode: 0o600,
        user: account.id,
        group: account.group,
    };
    let text: String = wanted.iter().map(|key| format!("{key}\n")).collect();
    disk.write(&place, text.as_bytes(), access)
}

/// Directory `name` in `above`, made for the user where it is missing. No link is followed: the home is the user's, and
/// may not lead root elsewhere.
fn own_directory(
    disk: &Disk,
    above: OwnedFd,
    name: &str,
    account: &Account,
) -> io::Result<OwnedFd> {
    let made = match below_without_links(above.as_fd(), &[name])? {
        // Empty and root's is what an earlier try, cut off, left.
        Some(there) if access_of(&there)?.user != 0 || !names(&there)?.is_empty() => {
            return Ok(there);
        }
        Some(there) => there,
        None => {
            disk.make_directory(&above, name, Mode::RWXU)?;
            let made = below_without_links(above.as_fd(), &[name])?;
            made.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?
        }
    };
    let access = Access {
        mode: 0o700,
        user: account.id,
        group: account.group,
    };
    disk.steps.take("give")?;
    give(&made, access)?;
    disk.sync_directory(&made)?;
    Ok(made)
}

fn set_password(disk: &Disk, name: &str, hash: Option<&str>) -> io::Result<Set> {
    if password_hash(disk, name)?.as_deref() == hash {
        return Ok(Set::Done);
    }
    let Some(_lock) = lock(disk)? else {
        return Ok(Set::Busy);
    };
    let Some((content, access)) = disk.read(SHADOW)? else {
        let words = "there is no /etc/shadow";
        return Err(io::Error::new(io::ErrorKind::NotFound, words));
    };
    let text = String::from_utf8(content).map_err(io::Error::other)?;
    let field = hash.unwrap_or("*");
    let mut found = false;
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let mut fields: Vec<&str> = line.split(':').collect();
        if fields.first() == Some(&name) && fields.len() > 1 {
            found = true;
            fields[1] = field;
        }
        lines.push(fields.join(":"));
    }
    if !found {
        lines.push(format!("{name}:{field}:::::::"));
    }
    lines.push(String::new());
    let place = disk.make_place(SHADOW)?;
    disk.write(&place, lines.join("\n").as_bytes(), access)?;
    Ok(Set::Done)
}

/// Keeps other tools from changing accounts at the same time; `None` where one is at it.
fn lock(disk: &Disk) -> io::Result<Option<OwnedFd>> {
    let place = disk.make_place(LOCK)?;
    let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let private = Mode::RUSR | Mode::WUSR;
    let file = fs::openat(&place.directory, &*place.name, flags, private)?;
    match fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(Errno::AGAIN | Errno::ACCESS) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
