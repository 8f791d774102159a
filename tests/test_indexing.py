"""Indexing and the ops that work by index: values, errors and gradients as torch has them."""

from __future__ import annotations

import pytest
from _lines import check, lines

INDEXING = """
x[None,0,5]
x[0,torch.tensor([5])]
x[:,torch.tensor([5])]
x[torch.ones(2,4)>0]
x[torch.ones(2)>0,torch.ones(2)>0]
x[torch.ones(2)>0,torch.tensor([0,1])]
x[torch.ones(2)>0,torch.tensor([0,1,2])]
x[torch.tensor([0],dtype=torch.int16)]
x[torch.tensor([0],dtype=torch.int32)]
x[torch.tensor(0,dtype=torch.int8)]
x[torch.tensor([1,0],dtype=torch.uint8)]
torch.ones(0,3)[torch.tensor([0])]
torch.ones(0,3)[torch.tensor([],dtype=torch.long)]
torch.ones(0)[0]
x[torch.tensor([[-1]])]
x[torch.tensor([-3])]
x[x>1]=torch.tensor(1);; x
x[[0]]=torch.tensor(1);; x
x[[0]]=torch.tensor([1]);; x
x[[0]]=1j;; x
x[[0]]=torch.tensor([1.],dtype=torch.float64);; x
x[True]=5;; x
x[False]=5;; x
x[...]=5;; x
x[()]=5;; x
x[None]=5;; x
x[:,None]=torch.ones(2,1,3);; x
y=torch.ones(3).expand(2,3);; y[0]=1;; y
y=torch.ones(1).expand(3);; y[0]=1;; y
y=torch.ones(3).expand(2,3);; y.add_(1)
x[1:]=x[:-1];; x
x[0]=x[1];; x
x[torch.tensor(1)]=0;; x
x[x>100]=torch.ones(0);; x
x[torch.tensor([0,0])]=torch.tensor([[1.],[2.]]);; x
x[:,[0,2]]=torch.tensor([9.,8.]);; x
x[0,[0,2]]=torch.tensor([9.,8.]);; x
x[[[0],[1]],[0,2]]
x[torch.tensor([[0],[1]]),torch.tensor([0,2])]
torch.arange(24).reshape(2,3,4)[[0,1],:,[0,1]]
torch.arange(24).reshape(2,3,4)[0,:,[0,1]]
torch.arange(24).reshape(2,3,4)[:,[0,1],[0,1]]
torch.arange(24).reshape(2,3,4)[[0,1],None,[0,1]].shape
torch.arange(24).reshape(2,3,4)[...,[0,1]].shape
torch.arange(24).reshape(2,3,4)[:,torch.ones(3,4)>0].shape
torch.arange(24).reshape(2,3,4)[[0],torch.ones(3,4)>0]
torch.arange(24).reshape(2,3,4)[None,torch.ones(2,3)>0,1].shape
x[torch.tensor(1),torch.tensor(2)]
x[torch.tensor(1),torch.tensor([2])]
x[torch.tensor(5)]
x[torch.tensor(1.5),0]
x[{}]
x[object()]
x[1,'a']
x[None,None].shape
x[1:2:0]
x[0:'a']
x[0.0:1]
x[torch.tensor(0):torch.tensor(1)]
x[-5:5:2]
x[slice(None)]._is_view()
x[...]._is_view()
x[()]._is_view()
x[...] is x
x[0][1]._base is x
w[()].grad_fn
w[0,:].grad_fn
w[:,0].grad_fn
w[:,:].grad_fn
w[[0],0].grad_fn
x[range(0)]
x[iter([1])]
x[(1,),(2,)]
x[[True,False],1]
x[[[True,False,True],[False,False,True]]]
x[np.array([[True,False,True],[False,False,True]])]
x[[np.int64(0),np.int64(1)]]
x[[1,None]]
x[[torch.tensor([0,1])]]
x[np.float64(1)]
x[1+0j]
x[torch.tensor([0,1]).int()]
torch.tensor(5)[torch.tensor(0)]
torch.tensor(5)[torch.tensor(True)]
torch.tensor(5)[torch.tensor([True])]
torch.tensor(5)[torch.tensor([0])]
x[:,:,:]
x[torch.tensor([0]),torch.tensor([0]),torch.tensor([0])]
x[x>1,0]
w[w>0].grad_fn
y=w*1;; y[[0]]=2;; y.grad_fn
y=w*1;; y[y>0]=2;; y.grad_fn
x[0]=w[0];; (x.grad_fn,x.requires_grad)
x[[0]]=w[0];; x.grad_fn
x.index_put_((torch.tensor([0]),),torch.tensor(7.))
x.index_put_((None,torch.tensor([0])),torch.tensor(7.))
x.index_put_((x>2,),torch.tensor(7.))
x.index_put_(torch.tensor([0]),torch.tensor(7.))
x.index_put_([torch.tensor([0,0])],torch.tensor(1.),accumulate=True)
x.index_put_([torch.tensor([0]),torch.tensor([0]),torch.tensor([0])],torch.tensor(1.))
torch.index_put(x,(torch.tensor([0]),),torch.tensor(7.))
x[0] = [1, 2, 3];; 0
x[0] = np.array([1, 2, 3]);; 0
x[0, 0] = np.float32(3);; 0
x[0, 0] = 'a';; 0
x[0] = None;; 0
x[0] = torch.ones(2);; 0
x[0] = torch.ones(1, 3);; x
x[0] = torch.ones(2, 3);; 0
x[[0]] = torch.ones(2, 3);; 0
x[[0, 1]] = torch.ones(1, 2, 3);; x
x[[0, 1]] = torch.ones(2);; 0
x[x > 1] = torch.ones(2);; 0
x[x > 1] = torch.arange(4.);; x
x[x > 1] = torch.arange(4);; 0
x[x > 1] = 1j;; 0
x[0] = 1j;; 0
x[0] = torch.tensor(1j);; x
w[0] = 1;; 0
w[w > 0] = 1;; 0
x[5] = 1;; 0
x[0, 5] = 1;; 0
x[torch.tensor([5])] = 1;; 0
y = torch.ones(3).expand(2, 3);; y[...] = 5;; 0
v = x._version;; x[0] += 1;; x._version - v
v = x._version;; x[0] = 1;; x._version - v
v = x._version;; x[x > 0] = 1;; x._version - v
"""

BY_INDEX = """
x.gather(1,torch.tensor([[0,2],[1,1]]))
x.gather(-1,torch.tensor([[0],[1]]))
torch.gather(x,0,torch.tensor([[0,1]]))
x.gather(1,torch.tensor([[0],[1],[0]]))
x.gather(1,torch.zeros(2,0,dtype=torch.long))
x.gather(1,torch.tensor([[-1]]))
x.gather(1,torch.tensor([[0]]).int())
torch.tensor(5.).gather(0,torch.tensor(0))
torch.tensor(5.).gather(0,torch.tensor([0,0]))
torch.ones(3).gather(0,torch.tensor(1))
x.gather(1,torch.tensor([]).long())
x.scatter(1,torch.tensor([[0],[2]]),7.)
x.scatter(1,torch.tensor([[0],[2]]),value=7.)
x.scatter(1,torch.tensor([[0],[2]]),7)
x.scatter(1,torch.tensor([[0,1],[2,0]]),torch.ones(2,2)*9)
x.scatter(1,torch.tensor([[0,1]]),src=torch.ones(2,2)*9)
x.scatter(1,torch.tensor([[0,0],[2,2]]),torch.ones(2,2),reduce='add')
x.scatter(1,torch.tensor([[0,0],[2,2]]),torch.ones(2,2)*3,reduce='multiply')
x.scatter(1,torch.tensor([[0,0],[2,2]]),2.,reduce='multiply')
x.scatter(1,torch.tensor([[0,0],[2,2]]),2.,reduce='foo')
x.scatter(1,torch.tensor([[0]]),torch.ones(1,1).double())
x.scatter(1,torch.tensor([[0.]]),torch.ones(1,1))
x.scatter(1,torch.tensor([0]),torch.ones(1))
x.scatter(1,torch.tensor([[0]]),torch.ones(1))
x.scatter(1,torch.tensor([[-1]]),1.)
x.scatter(1,torch.zeros(2,0).long(),torch.ones(2,0))
x.scatter_(1,torch.tensor([[0],[2]]),7.)
i.scatter(1,torch.tensor([[0]]),1.5)
i.scatter(1,torch.tensor([[0]]),True)
torch.scatter(x,1,torch.tensor([[0]]),5.)
x.scatter_add(1,torch.tensor([[0,0],[2,2]]),torch.ones(2,2))
x.scatter_add_(1,torch.tensor([[0,0],[2,2]]),torch.ones(2,3))
x.scatter_add(1,torch.tensor([[0,0],[2,2]]),torch.ones(1,2))
x.scatter_add(1,torch.tensor([[0]]),torch.ones(1,1).double())
x.scatter_reduce(1,torch.tensor([[0,0,1],[2,2,0]]),x+1,'sum')
x.scatter_reduce(1,torch.tensor([[0,0,1],[2,2,0]]),x+1,'prod')
x.scatter_reduce(1,torch.tensor([[0,0,1],[2,2,0]]),x+1,'mean')
x.scatter_reduce(1,torch.tensor([[0,0,1],[2,2,0]]),x+1,'amax')
x.scatter_reduce(1,torch.tensor([[0,0,1],[2,2,0]]),x+1,'amin')
x.scatter_reduce(1,torch.tensor([[0,0,1],[2,2,0]]),x+1,'sum',include_self=False)
x.scatter_reduce(1,torch.tensor([[0,0,1],[2,2,0]]),x+1,'prod',include_self=False)
x.scatter_reduce(1,torch.tensor([[0,0,1],[2,2,0]]),x+1,'mean',include_self=False)
x.scatter_reduce(1,torch.tensor([[0,0,1],[2,2,0]]),x+1,'amax',include_self=False)
x.scatter_reduce(1,torch.tensor([[0,0,1],[2,2,0]]),x+1,'amin',include_self=False)
x.scatter_reduce(1,torch.tensor([[0]]),x,'foo')
x.scatter_reduce(1,torch.tensor([[0]]),x.double(),'sum')
x.scatter_reduce(1,torch.tensor([[5]]),x,'sum')
i.scatter_reduce(1,torch.tensor([[0,0,1],[2,2,0]]),i+1,'mean')
i.scatter_reduce(1,torch.tensor([[0,0,1],[2,2,0]]),i-3,'mean')
torch.scatter_reduce(x,1,torch.tensor([[0]]),x,'sum')
x.index_select(1,torch.tensor([0,2]))
x.index_select(-1,torch.tensor([0,0,0]))
x.index_select(0,torch.tensor(1))
x.index_select(0,torch.tensor([[1]]))
x.index_select(0,torch.tensor([1.]))
x.index_select(0,torch.tensor([-1]))
x.index_select(0,torch.tensor([1],dtype=torch.int32))
x.index_select(0,torch.tensor([1],dtype=torch.int16))
x.index_select(5,torch.tensor([1]))
torch.tensor(1.).index_select(0,torch.tensor([0]))
torch.tensor(1.).index_select(0,torch.tensor(0))
torch.index_select(x,dim=0,index=torch.tensor([1]))
x.index_add(0,torch.tensor([0,0]),torch.ones(2,3))
x.index_add(0,torch.tensor([0,0]),torch.ones(2,3),alpha=2)
x.index_add(0,torch.tensor([0,0]),torch.ones(2,2))
x.index_add(0,torch.tensor([[0,0]]),torch.ones(2,3))
x.index_add(0,torch.tensor([0,0]),torch.ones(2,3).double())
x.index_add(0,torch.tensor([0.,0]),torch.ones(2,3))
x.index_add(0,torch.tensor([-1]),torch.ones(1,3))
x.index_add_(1,torch.tensor([0,1]),torch.ones(2,2))
x.index_add(0,torch.tensor(0),torch.ones(3))
torch.ones(3).index_add(0,torch.tensor([0]),torch.tensor(1.))
torch.ones(3).index_add(0,torch.tensor(0),torch.tensor(1.))
i.index_add(0,torch.tensor([0]),i[:1],alpha=1.5)
x.index_copy(0,torch.tensor([1,0]),torch.ones(2,3))
x.index_copy(0,torch.tensor([1]),torch.ones(1,2))
x.index_copy(0,torch.tensor([[1]]),torch.ones(1,3))
x.index_copy(0,torch.tensor([1]),torch.ones(1,3).double())
x.index_copy(0,torch.tensor([1.]),torch.ones(1,3))
x.index_copy(0,torch.tensor([1]).int(),torch.ones(1,3))
x.index_copy(0,torch.tensor(1),torch.ones(3))
x.index_copy_(0,torch.tensor([1]),torch.ones(1,3))
x.index_copy(0,torch.tensor([-1]),torch.ones(1,3))
torch.ones(3).index_copy(0,torch.tensor(1),torch.tensor(5.))
x.index_fill(0,torch.tensor([1]),5)
x.index_fill(0,torch.tensor([-1]),5)
x.index_fill(0,torch.tensor([1]),torch.tensor(5.))
x.index_fill(0,torch.tensor([1]),torch.tensor([5.]))
x.index_fill(0,torch.tensor([1]),torch.tensor([5.,6.]))
x.index_fill(0,torch.tensor([[1]]),5)
x.index_fill(0,torch.tensor([1.]),5)
x.index_fill(0,torch.tensor([1]).int(),5)
x.index_fill(0,torch.tensor(1),5)
x.index_fill(0,torch.tensor([1]),1j)
x.index_fill_(1,torch.tensor([1]),-1)
i.index_fill(0,torch.tensor([1]),2.5)
x.index_reduce(0,torch.tensor([0,0]),torch.ones(2,3)*2,'prod')
x.index_reduce(0,torch.tensor([0,0]),torch.ones(2,3)*2,'mean')
x.index_reduce(0,torch.tensor([0,0]),torch.ones(2,3)*2,'amax',include_self=False)
x.index_reduce_(0,torch.tensor([0,0]),torch.ones(2,3)*2,'amin')
x.index_reduce(0,torch.tensor([0,0]),torch.ones(2,3)*2,'sum')
x.masked_fill(x>2,9)
x.masked_fill(x>2,torch.tensor(9.))
x.masked_fill(x>2,torch.tensor(9))
x.masked_fill(torch.tensor(True),9)
x.masked_fill(torch.ones(2,2,3)>0,9)
x.masked_fill_(torch.ones(2,2,3)>0,9)
x.masked_fill(torch.ones(2,3).byte(),9)
x.masked_fill(torch.ones(2,3),9)
x.masked_fill_(x>2,9)
x.masked_fill(x>2,1j)
i.masked_fill(i>2,2.5)
i.masked_fill(i>2,torch.tensor(2.5))
i.masked_fill(i>2,float('inf'))
(i>2).masked_fill(i>2,0)
x.masked_fill(mask=x>2,value=float('-inf'))
x.half().masked_fill(x>2,1e10)
torch.masked_fill(x,x>2,1)
x.masked_select(x>2)
x.masked_select(torch.tensor(True))
torch.masked_select(x[0],x>2)
x.masked_select((x>2).byte())
x.masked_scatter(x>2,torch.arange(10.))
x.masked_scatter(x[0]>1,torch.arange(10.))
x.masked_scatter(x>2,torch.arange(10))
x.masked_scatter_(x>2,torch.arange(10.))
x.masked_scatter(x>2,torch.ones(2,3))
x.masked_scatter((x>2).int(),torch.ones(2,3))
x.take(torch.tensor([0,-1,3]))
x.take(torch.tensor([[0],[1]]))
x.T.take(torch.tensor([0,1]))
x.take(torch.tensor([0.]))
x.take(torch.tensor([0]).int())
torch.take(x,torch.tensor(2))
torch.empty(0).take(torch.tensor([0]))
torch.empty(0).take(torch.tensor([]).long())
x.take_along_dim(torch.tensor([[0],[1]]),1)
x.take_along_dim(torch.tensor([[0]]),1)
x.take_along_dim(torch.tensor([0,5]))
x.take_along_dim(torch.tensor([0]),1)
x.take_along_dim(torch.tensor([[0.]]),1)
x.take_along_dim(torch.tensor([[9]]),1)
torch.take_along_dim(x,torch.tensor([[0],[1]]),dim=1)
x.put(torch.tensor([0,-1]),torch.tensor([9.,8.]))
x.put_(torch.tensor([0,0]),torch.tensor([9.,8.]),accumulate=True)
x.put(torch.tensor([0,1]),torch.tensor([9.]))
x.put(torch.tensor([0.]),torch.tensor([9.]))
torch.where(x>2,x,-x)
torch.where(x>2,1.,0.)
torch.where(x>2,1,0)
torch.where(x>2,1,0.5)
torch.where(x>2,x,0)
torch.where(x>2,x,0.5)
torch.where(i>2,i,0.5)
torch.where(i>2,i,torch.tensor(0.5))
torch.where(i>2,i,x)
torch.where(x>2,x.double(),x)
torch.where(x>2)
torch.where(x>2,x)
torch.where(x,x,x)
torch.where((x>2).byte(),x,-x)
torch.where(x>2,torch.ones(2),x)
x.where(x>2,0)
x.where(x>2,torch.tensor(0.))
torch.where(x>2,True,False)
torch.where(x>2,x,1j)
torch.where(torch.tensor(True),x,x)
torch.where(condition=x>2,input=x,other=x)
torch.where(x>2,x,other=0)
x.nonzero()
x.nonzero(as_tuple=True)
torch.nonzero(x,as_tuple=False)
torch.nonzero(torch.tensor(5))
torch.nonzero(torch.tensor(5),as_tuple=True)
x.argwhere()
torch.argwhere(torch.tensor(1))
torch.searchsorted(torch.tensor([1.,3.,5.]),torch.tensor([0.,3.,6.]))
torch.searchsorted(torch.tensor([1.,3.,5.]),torch.tensor([0.,3.,6.]),right=True)
torch.searchsorted(torch.tensor([1.,3.,5.]),torch.tensor([0.,3.,6.]),side='right')
torch.searchsorted(torch.tensor([1.,3.,5.]),3.)
torch.searchsorted(torch.tensor([1.,3.,5.]),torch.tensor([3.]),out_int32=True)
torch.searchsorted(torch.tensor([[1.,3.,5.],[2.,4.,6.]]),torch.tensor([[3.],[4.]]))
torch.searchsorted(torch.tensor([[1.,3.,5.],[2.,4.,6.]]),torch.tensor([3.]))
torch.searchsorted(torch.tensor([5.,1.,3.]),torch.tensor([0.,3.,6.]),sorter=torch.tensor([1,2,0]))
torch.searchsorted(torch.tensor([1,3]),torch.tensor([2.]))
torch.searchsorted(torch.tensor([1.,3.]),torch.tensor([2.]),right=True,side='left')
torch.bucketize(torch.tensor([[0.,3.],[6.,1.]]),torch.tensor([1.,3.,5.]))
torch.bucketize(3.,torch.tensor([1.,3.,5.]),right=True)
torch.bucketize(torch.tensor([1.]),torch.ones(2,2))
torch.nn.functional.one_hot(torch.tensor([0,2]))
torch.nn.functional.one_hot(torch.tensor([0,2]),5)
torch.nn.functional.one_hot(torch.tensor([0,2]),2)
torch.nn.functional.one_hot(torch.tensor([0,-2]))
torch.nn.functional.one_hot(torch.tensor([0.]))
torch.nn.functional.one_hot(torch.tensor([]).long())
torch.nn.functional.one_hot(torch.tensor([]).long(),3)
torch.nn.functional.one_hot(torch.tensor(1),3)
torch.isin(torch.tensor([1,2,3]),torch.tensor([2,4]))
torch.isin(torch.tensor([1,2,3]),2)
torch.isin(2,torch.tensor([1,2,3]))
torch.isin(torch.tensor([1,2,3]),torch.tensor([2,4]),invert=True)
torch.isin(torch.tensor([[1.,2.]]),torch.tensor([2,4]),assume_unique=True)
x.select_scatter(torch.ones(3),0,1)
x.select_scatter(torch.ones(2),0,1)
x.slice_scatter(torch.ones(1,3),0,1)
x.slice_scatter(torch.ones(2,2),1,0,3,2)
x.slice_scatter(torch.ones(2,3),1,0,3,2)
x.diagonal_scatter(torch.ones(2))
x.diagonal_scatter(torch.ones(3))
x.as_strided_scatter(torch.ones(2),(2,),(3,))
x.select_scatter(torch.ones(3).double(),0,1)
x.index_put((torch.tensor([0]),),torch.ones(2))
torch.narrow_copy(x,0,0,1)
x.unsafe_chunk(2)
x.unsafe_split(1,1)
x.argwhere().dtype
torch.take(x,index=torch.tensor([1]))
"""

GRADIENTS = """
y=(w*2).t().clone();; y[0]=5;; y.sum().backward();; w.grad
y=(w*2).t().clone();; y[0]=a[0]*3;; (y*x.view(3, 2)).sum().backward();; (w.grad,a.grad)
y=(w*2).t().clone();; v=y[1];; v.mul_(3);; (y*y).sum().backward();; (w.grad, v, y)
y=w*2;; v=y.t();; v[0]=7;; (v*v).sum().backward();; w.grad
y=w*2;; y[:,0]=7;; (y*y).sum().backward();; (w.grad,y)
y=w*2;; y[[0]]=a;; (y*y).sum().backward();; (w.grad,a.grad)
y=w*2;; y[y>3]=a[0];; (y*y).sum().backward();; (w.grad,a.grad)
y=w*2;; v=y[0];; y.mul_(2);; (v*v).sum().backward();; (w.grad,v)
x[0]=a;; (x*x).sum().backward();; a.grad
y=w*2;; y[0]+=a;; (y*y).sum().backward();; (w.grad,a.grad)
y=w*2;; y.view(-1)[1:3].mul_(a[1:]);; y.sum().backward();; (w.grad,a.grad)
w.view(6)[2:4].sum().backward();; w.grad
w.t()[1:].reshape(-1).sum().backward();; w.grad
w[[0,0]].sum().backward();; w.grad
w[w>0].sum().backward();; w.grad
w.unfold(1,2,1).sum().backward();; w.grad
w.expand(4,2,3).sum().backward();; w.grad
w.diagonal().sum().backward();; w.grad
w.chunk(3,1)[1].sum().backward();; w.grad
torch.cat([w,w*2]).sum().backward();; w.grad
w.gather(1,torch.tensor([[0,0],[1,2]])).sum().backward();; w.grad
w.repeat(2,2).sum().backward();; w.grad
w.roll(1).mul(torch.arange(6.).reshape(2,3)).sum().backward();; w.grad
w.flip(0).mul(torch.arange(6.).reshape(2,3)).sum().backward();; w.grad
w.take(torch.tensor([0,0,3])).sum().backward();; w.grad
w.index_add(0,torch.tensor([0]),w[:1]*3).sum().backward();; w.grad
w.scatter_reduce(1,torch.tensor([[0,0,1],[2,2,0]]),w*3,'prod').sum().backward();; w.grad
w.masked_scatter(w>0,torch.arange(6.)).sum().backward();; w.grad
torch.where(w>0,w*2,a).sum().backward();; (w.grad,a.grad)
w.masked_fill(w>5,0).sum().backward();; w.grad
torch.view_as_real(w*1j).sum().backward();; w.grad
torch.view_as_complex(torch.ones(3,2).requires_grad_()).real.sum().backward()
"""


@pytest.mark.parametrize("line", lines(INDEXING + BY_INDEX + GRADIENTS))
def test_line(line: str) -> None:
    check(line)
