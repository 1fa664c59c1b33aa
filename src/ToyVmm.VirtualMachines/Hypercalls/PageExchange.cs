using ToyVmm.Hardware.Memory;

namespace ToyVmm.VirtualMachines.Hypercalls;

/// <summary>The pages that guests offer each other: each is known by who offers it, to whom, and a tag. Thread-safe.</summary>
public sealed class PageExchange
{
    private readonly Lock _lock = new();
    private readonly Dictionary<(uint From, uint To, uint Tag), Offer> _offers = [];

    /// <summary>Offers a page.</summary>
    /// <returns>False where the tag is in use between the two.</returns>
    internal bool TryOffer(uint from, uint to, uint tag, Offer offer)
    {
        lock (_lock)
        {
            return _offers.TryAdd((from, to, tag), offer);
        }
    }

    /// <summary>Takes an offer back.</summary>
    /// <returns>False where nobody offers it, it is of another page, or it was accepted already.</returns>
    internal bool TryWithdraw(uint from, uint to, uint tag, GuestPhysicalAddress address)
    {
        lock (_lock)
        {
            if (!_offers.TryGetValue((from, to, tag), out Offer? offer) || offer.IsAccepted || offer.Address != address)
            {
                return false;
            }

            offer.Page.Release();
            return _offers.Remove((from, to, tag));
        }
    }

    /// <summary>True while a page is offered to somebody, or somebody has it.</summary>
    internal bool IsOffered(uint from, GuestPhysicalAddress address)
    {
        lock (_lock)
        {
            return _offers.Any(offer => offer.Key.From == from && offer.Value.Address == address);
        }
    }

    /// <summary>Accepts an offer.</summary>
    /// <returns>The offer, whose page is held once more for the caller; null where there is none, or it was accepted already.</returns>
    internal Offer? Accept(uint from, uint to, uint tag)
    {
        lock (_lock)
        {
            if (!_offers.TryGetValue((from, to, tag), out Offer? offer) || offer.IsAccepted)
            {
                return null;
            }

            offer.IsAccepted = true;
            _ = offer.Page.File.Hold();
            return offer;
        }
    }

    /// <summary>Forgets everything that has to do with a guest whose machine is gone, or another one from now on; pages that were accepted stay where they are.</summary>
    /// <param name="guest">Its number.</param>
    public void Forget(uint guest)
    {
        lock (_lock)
        {
            foreach ((uint From, uint To, uint Tag) key in _offers.Keys.Where(key => key.From == guest || key.To == guest).ToArray())
            {
                _ = _offers.Remove(key, out Offer? offer);
                offer!.Page.Release();
            }
        }
    }

    /// <summary>A page, and what may be done with it.</summary>
    internal sealed record Offer(GuestPhysicalAddress Address, SharedPage Page, bool Writable)
    {
        public bool IsAccepted { get; set; }
    }
}
