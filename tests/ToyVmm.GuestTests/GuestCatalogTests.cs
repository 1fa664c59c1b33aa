using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>The course is complete: every guest has a head, an image and a line in the README.</summary>
public sealed class GuestCatalogTests
{
    [Fact]
    public void There_are_at_least_fourteen_guests_and_eight_workloads()
    {
        Assert.True(GuestCatalog.All.Count(guest => !guest.IsCompute) >= 14);
        Assert.Equal(8, GuestCatalog.All.Count(guest => guest.IsCompute));
    }

    [Theory]
    [MemberData(nameof(GuestCatalog.Names), MemberType = typeof(GuestCatalog))]
    public void A_guest_has_its_image_and_its_place_in_the_course(string name)
    {
        var guest = GuestCatalog.Find(name);
        Assert.True(File.Exists(guest.ImagePath), $"{guest.ImagePath} is missing: run guest-images/build.sh {name}");
        var relative = Path.GetRelativePath(GuestCatalog.RepositoryRoot, guest.ImagePath).Replace('\\', '/');
        Assert.Contains(relative, File.ReadAllText(Path.Combine(GuestCatalog.Folder, "README.md")), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("; guest: x\n; format: raw\n; teaches: t\n; expect-status: 0\n", "serial output")]
    [InlineData("; guest: x\n; format: raw\n; teaches: t\n; expect-serial: a\n", "expect-status")]
    [InlineData("; guest: y\n; format: raw\n; teaches: t\n; expect-status: 0\n; expect-serial: a\n", "folder")]
    [InlineData("; guest: x\n; format: tape\n; teaches: t\n; expect-status: 0\n; expect-serial: a\n", "tape")]
    [InlineData("; guest: x\n; format: raw\n; teaches: t\n; expect-status: 256\n; expect-serial: a\n", "256")]
    [InlineData("; guest: x\n; format: raw\n; teaches: t\n; expect-status: 0\n; expect-serial: a\\q\n", "\\q")]
    [InlineData("; guest: x\n; format: raw\n; teaches: t\n; expected: 0\n", "expected")]
    [InlineData("; guest: x\n; format: raw\n; format: raw\n; teaches: t\n; expect-status: 0\n; expect-serial: a\n", "2 times")]
    public void A_bad_head_is_refused_with_the_reason(string head, string reason)
    {
        var folder = Directory.CreateTempSubdirectory("toyvmm-head-");
        try
        {
            var source = Path.Combine(folder.CreateSubdirectory("x").FullName, "x.asm");
            File.WriteAllText(source, head);
            Assert.Contains(reason, Assert.Throws<FormatException>(() => GuestCatalog.ReadHead(source)).Message, StringComparison.Ordinal);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public void Serial_lines_are_joined_and_unescaped()
    {
        var folder = Directory.CreateTempSubdirectory("toyvmm-head-");
        try
        {
            var source = Path.Combine(folder.CreateSubdirectory("x").FullName, "x.c");
            File.WriteAllText(source, "/* guest: x\n * format: multiboot\n * teaches: t\n * expect-status: 71\n * qemu-status: 0\n * expect-serial: a\\n\n * expect-serial:  b\\t\\\\\\x21\n *\n * expect-serial: prose\n */\n");
            var guest = GuestCatalog.ReadHead(source);
            Assert.Equal("a\n b\t\\!", guest.ExpectedSerial);
            Assert.Equal((71, 0), (guest.ExpectedStatus, guest.QemuStatus));
            Assert.EndsWith("x.elf", guest.ImagePath, StringComparison.Ordinal);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
