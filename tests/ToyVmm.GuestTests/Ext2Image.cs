using System.Buffers.Binary;
using System.Text;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>
/// Reads a file from the root folder of an ext2 image, as an outsider who trusts neither guest: superblock at 1024, one block group, direct
/// and singly indirect blocks ("The Second Extended File System", chapters 3 and 4).
/// </summary>
internal static class Ext2Image
{
    private const int Superblock = 1024;
    private const int RootInode = 2;
    private const int DirectBlocks = 12;

    /// <summary>The bytes of a file.</summary>
    /// <returns>Null when the root folder has no such file.</returns>
    public static byte[]? ReadFile(byte[] image, string name)
    {
        Assert.Equal(0xEF53, BinaryPrimitives.ReadUInt16LittleEndian(image.AsSpan(Superblock + 56)));
        int blockSize = 1024 << Word(image, Superblock + 24);
        byte[] folder = ReadInode(image, blockSize, RootInode);
        for (int at = 0; at < folder.Length;)
        {
            int inode = Word(folder, at);
            string entry = Encoding.Latin1.GetString(folder, at + 8, folder[at + 6]);
            if (inode != 0 && entry == name)
            {
                return ReadInode(image, blockSize, inode);
            }

            at += BinaryPrimitives.ReadUInt16LittleEndian(folder.AsSpan(at + 4));
        }

        return null;
    }

    private static byte[] ReadInode(byte[] image, int blockSize, int number)
    {
        int groups = blockSize == 1024 ? 2 * blockSize : blockSize;         // the group descriptors: the block after the superblock's
        int table = Word(image, groups + 8) * blockSize;
        int inode = table + ((number - 1) * BinaryPrimitives.ReadUInt16LittleEndian(image.AsSpan(Superblock + 88)));
        byte[] data = new byte[Word(image, inode + 4)];
        for (int n = 0; n * blockSize < data.Length; n++)
        {
            int block = n < DirectBlocks
                ? Word(image, inode + 40 + (4 * n))
                : Word(image, (Word(image, inode + 40 + (4 * DirectBlocks)) * blockSize) + (4 * (n - DirectBlocks)));
            int length = Math.Min(blockSize, data.Length - (n * blockSize));
            image.AsSpan(block * blockSize, length).CopyTo(data.AsSpan(n * blockSize));
        }

        return data;
    }

    private static int Word(byte[] bytes, int offset) => BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(offset));
}
